import { ActionIcon, CopyButton, Text, Tooltip } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import classes from './CopyCommand.module.css'

interface CommandProps {
  command: string
  label?: string // what the command does
}

/** A command for a terminal, with a button that copies it. */
export function CopyCommand({ command, label }: CommandProps) {
  return (
    <div>
      {label && <Text size="sm" c="dimmed" mb={4}>{label}</Text>}
      <div className={classes.command}>
        <div className={classes.text} role="group" aria-label={label ?? command} tabIndex={0}><code>{command}</code></div>
        <Copy text={command} />
      </div>
    </div>
  )
}

/** A button that copies a text. */
export function Copy({ text, label, size = 'md' }: { text: string; label?: string; size?: 'sm' | 'md' }) {
  const { t } = useTranslation('parts')
  return (
    <CopyButton value={text}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? t('copied') : (label ?? t('copy'))}>
          <ActionIcon size={size} aria-label={label ?? t('copy')} onClick={copy} color={copied ? 'teal' : 'gray'}>
            {copied ? <IconCheck size={size === 'sm' ? 14 : 16} /> : <IconCopy size={size === 'sm' ? 14 : 16} />}
            <span role="status" className={classes.said}>{copied ? t('copied') : ''}</span>
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  )
}
