import { useTranslation } from 'react-i18next'

const resources = [
  'accessory', 'artifact', 'artifact-addition', 'artifact-label', 'export-cve', 'immutable-tag', 'label', 'log', 'member', 'metadata',
  'notification-policy', 'preheat-policy', 'project', 'quota', 'repository', 'robot', 'sbom', 'scan', 'scanner', 'tag', 'tag-retention',
] as const

const actions = ['create', 'delete', 'list', 'pull', 'push', 'read', 'stop', 'update'] as const

/** What people call resources and actions; of new ones, what the API does. */
export function useNames() {
  const { t } = useTranslation('robots')
  return {
    resource(name: string): string {
      const known = resources.find((r) => r === name)
      return known ? t(`resource.${known}`) : name
    },
    action(name: string): string {
      const known = actions.find((a) => a === name)
      return known ? t(`action.${known}`) : name
    },
  }
}
