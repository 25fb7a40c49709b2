/** Ways to trust a signature, as the API calls them; which fields each has. */
export const trustKinds = [
  { name: 'key', identities: false, issuer: false, timestamps: false, file: '.pub,.pem' },
  { name: 'authority', identities: true, issuer: false, timestamps: true, file: '.pem,.crt,.cer' },
  { name: 'keyless', identities: true, issuer: true, timestamps: false, file: '.json' },
  { name: 'notation', identities: true, issuer: false, timestamps: true, file: '.pem,.crt,.cer' },
] as const

export type TrustKind = (typeof trustKinds)[number]['name']

/** A kind by its name; of one that is new, the first. */
export function kindOf(name: string) {
  return trustKinds.find((k) => k.name === name) ?? trustKinds[0]
}

/** Whether a text looks like a private key, which nobody should send anywhere. */
export function isPrivate(text: string): boolean {
  return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)
}
