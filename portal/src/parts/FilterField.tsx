import { TextInput, type TextInputProps } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { useEffect, useRef, useState } from 'react'
import type { List } from './useList'

interface Props extends Omit<TextInputProps, 'list'> {
  list: List
  name: string // of the filter in the address
  label: string
}

/** A filter of a list that is typed; it counts a moment after the last key. */
export function FilterField({ list, name, label, ...input }: Props) {
  const value = list.filter(name)
  const [text, setText] = useState(value)
  const sent = useRef(value)
  const ask = useDebouncedCallback((next: string) => {
    sent.current = next
    list.set({ [name]: next })
  }, 300)
  // The address may change otherwise, as by a link; what was just typed stays.
  useEffect(() => {
    if (value !== sent.current) setText(value)
    sent.current = value
  }, [value])
  return (
    <TextInput
      size="sm" aria-label={label} placeholder={label} spellCheck={false} autoComplete="off" {...input}
      value={text}
      onChange={(e) => {
        setText(e.currentTarget.value)
        ask(e.currentTarget.value.trim())
      }}
    />
  )
}
