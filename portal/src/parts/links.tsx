import { Anchor, type AnchorProps, Button, type ButtonProps } from '@mantine/core'
import { createLink } from '@tanstack/react-router'
import type { ComponentPropsWithRef } from 'react'

type Native = Omit<ComponentPropsWithRef<'a'>, 'color' | 'style'>

/** A link to a page of ours, as a text: to, params and search are checked by the route table. */
export const TextLink = createLink((props: AnchorProps & Native) => <Anchor {...props} />)

/** … and as a button. */
export const ButtonLink = createLink((props: ButtonProps & Native) => <Button component="a" {...props} />)
