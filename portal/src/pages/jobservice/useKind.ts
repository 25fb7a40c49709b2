import { useTranslation } from 'react-i18next'

const kinds = [
  'GARBAGE_COLLECTION', 'PURGE_AUDIT_LOG', 'RETENTION', 'WEBHOOK', 'SLACK', 'REPLICATION', 'IMAGE_SCAN', 'SBOM', 'SCAN_ALL', 'SCAN_DATA_EXPORT', 'ADVISORIES', 'SCHEDULER', 'P2P_PREHEAT',
] as const

/** What a kind of work is called; one that is new, as the API has it. */
export function useKind() {
  const { t } = useTranslation('jobservice')
  return (kind: string) => {
    const known = kinds.find((k) => k === kind)
    return known ? t(`kind.${known}`) : kind
  }
}
