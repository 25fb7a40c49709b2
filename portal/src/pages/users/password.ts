/** Whether a password is one that the API takes: 8 to 128 characters with small and large letters and digits. */
export function goodPassword(password: string): boolean {
  const length = [...password].length
  return length >= 8 && length <= 128 && /[a-z]/.test(password) && /[A-Z]/.test(password) && /[0-9]/.test(password)
}

/** Whether an address looks like one of e-mail, as the API has it. */
export function goodEmail(address: string): boolean {
  return /^[^\s@<>()[\]\\,;:"]+@([a-zA-Z0-9-]+\.)+[a-zA-Z]{2,}$/.test(address)
}

/** Whether somebody may be called so, as the API has it. */
export function goodUserName(name: string): boolean {
  return name.trim() === name && name !== '' && [...name].length <= 255 && !/[,"~#%$:]/.test(name) && name.toLowerCase() !== 'anonymous'
}
