import { TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { useEffect, useRef, useState } from 'react'
import type { List } from './useList'

/** Filters a list by a text, a moment after the last key. */
export function SearchField({ list, label }: { list: List; label: string }) {
  const [text, setText] = useState(list.q)
  const sent = useRef(list.q)
  const ask = useDebouncedCallback((q: string) => {
    sent.current = q
    list.set({ q })
  }, 250)
  // The address may change otherwise, as by going back; what was just typed stays.
  useEffect(() => {
    if (list.q !== sent.current) setText(list.q)
    sent.current = list.q
  }, [list.q])
  return (
    <TextInput
      type="search" aria-label={label} placeholder={label} size="sm" leftSection={<IconSearch size={15} />} style={{ flex: '1 1 220px', maxWidth: 340 }}
      value={text}
      onChange={(e) => {
        setText(e.currentTarget.value)
        ask(e.currentTarget.value)
      }}
    />
  )
}
