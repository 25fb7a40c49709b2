import { Button, Menu, Text } from '@mantine/core'
import { IconCheck, IconChevronDown } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { projectsKey } from '~/pages/projects/queries'
import { useConfirm } from '~/parts/Confirm'
import { tellDone, tellFailure } from '~/parts/tell'
import { type Member, membersKey, setRole } from './queries'
import { roleOf, roles } from './roles'

/** The name of a role, by the API's number. */
export function RoleName({ id }: { id: number }) {
  const { t } = useTranslation('members')
  const role = roleOf(id)
  return role ? t(`role.${role.name}`) : String(id)
}

/** A member's role, which can be changed. Who changes their own is asked first: there may be no way back. */
export function RoleMenu({ project, member, mine }: { project: string; member: Member; mine: boolean }) {
  const { t } = useTranslation('members')
  const [busy, setBusy] = useState(false)
  const queries = useQueryClient()
  const confirm = useConfirm()
  const change = async (role: number) => {
    await setRole(project, member.id, role)
    await Promise.all([membersKey, projectsKey, ['rights']].map((queryKey) => queries.invalidateQueries({ queryKey })))
  }
  const choose = async (role: (typeof roles)[number]) => {
    const done = t('role.done', { name: member.entity_name, role: t(`role.${role.name}`) })
    if (mine && member.role_id === 1) {
      confirm({ title: t('role.ownTitle'), loses: t('role.ownLoses'), verb: t('role.ownVerb'), action: () => change(role.id), done })
      return
    }
    setBusy(true)
    await change(role.id).then(() => tellDone(done), tellFailure)
    setBusy(false)
  }
  return (
    <Menu position="bottom-start" width={330}>
      <Menu.Target>
        <Button size="compact-sm" variant="default" loading={busy} rightSection={<IconChevronDown size={14} />} aria-label={t('role.of', { name: member.entity_name, role: t(`role.${roleOf(member.role_id)?.name ?? 'guest'}`) })}>
          <RoleName id={member.role_id} />
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {roles.map((role) => (
          <Menu.Item key={role.id} disabled={role.id === member.role_id} rightSection={role.id === member.role_id ? <IconCheck size={15} /> : undefined} onClick={() => void choose(role)}>
            {t(`role.${role.name}`)}
            <Text size="xs" c="dimmed">{t(`may.${role.name}`)}</Text>
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
