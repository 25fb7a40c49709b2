import { Code } from '@mantine/core'
import { useTranslation } from 'react-i18next'

/** A pattern, and whether it is what matches it that is meant, or everything else. */
export function Selector({ except, pattern }: { except: boolean; pattern: string }) {
  const { t } = useTranslation('policy')
  if (pattern === '**' && !except) return t('select.all')
  return <span style={{ overflowWrap: 'anywhere' }}>{t(except ? 'select.except' : 'select.match')} <Code>{pattern}</Code></span>
}
