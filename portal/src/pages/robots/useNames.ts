import { useTranslation } from 'react-i18next'

const resources = [
  'accessory', 'artifact', 'artifact-addition', 'artifact-label', 'audit-log', 'catalog', 'export-cve', 'garbage-collection', 'immutable-tag',
  'jobservice-monitor', 'label', 'ldap-user', 'log', 'member', 'metadata', 'notification-policy', 'preheat-instance', 'preheat-policy', 'project',
  'purge-audit', 'quota', 'registry', 'replication', 'replication-adapter', 'replication-policy', 'repository', 'robot', 'sbom', 'scan', 'scan-all',
  'scanner', 'security-hub', 'system-volumes', 'tag', 'tag-retention', 'user', 'user-group',
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
