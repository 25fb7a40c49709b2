import { ActionIcon, Menu } from '@mantine/core'
import { IconBan, IconCircleCheck, IconDots, IconPencil, IconSend, IconTrash } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useConfirm } from '~/parts/Confirm'
import { tellDone, tellFailure } from '~/parts/tell'
import { deletePolicy, type Policy, savePolicy, tryPolicy, webhooksKey } from './queries'

interface Props {
  project: string
  policy: Policy
  mayDelete: boolean
  onEdit: () => void
}

/** What can be done to a policy. */
export function WebhookActions({ project, policy, mayDelete, onEdit }: Props) {
  const { t } = useTranslation('webhooks')
  const confirm = useConfirm()
  const queries = useQueryClient()
  const attempt = useTry(project, policy)
  const { name } = policy
  const forget = () => queries.invalidateQueries({ queryKey: webhooksKey })
  const enable = (enabled: boolean) => savePolicy(project, { ...policy, enabled }, policy.id).then(forget).then(() => tellDone(t(enabled ? 'enable.done' : 'disable.done', { name })), tellFailure)
  const remove = () =>
    confirm({ title: t('delete.title', { name }), loses: t('delete.loses'), verb: t('delete.verb'), done: t('delete.done', { name }), action: () => deletePolicy(project, policy.id).then(forget) })
  return (
    <Menu>
      <Menu.Target><ActionIcon size="md" aria-label={t('actions', { name })}><IconDots size={17} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconSend size={16} />} onClick={() => void attempt()}>{t('try.open')}</Menu.Item>
        <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>{t('edit.open')}</Menu.Item>
        {policy.enabled
          ? <Menu.Item leftSection={<IconBan size={16} />} onClick={() => void enable(false)}>{t('disable.open')}</Menu.Item>
          : <Menu.Item leftSection={<IconCircleCheck size={16} />} onClick={() => void enable(true)}>{t('enable.open')}</Menu.Item>}
        {mayDelete && <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={remove}>{t('delete.open')}</Menu.Item>}
      </Menu.Dropdown>
    </Menu>
  )
}

/** Returns what sends something to a policy's targets, and then goes to where one sees what comes of it. */
export function useTry(project: string, policy: Policy) {
  const { t } = useTranslation('webhooks')
  const queries = useQueryClient()
  const navigate = useNavigate()
  return async () => {
    try {
      await tryPolicy(project, policy.id)
    } catch (error) {
      tellFailure(error)
      return
    }
    await queries.invalidateQueries({ queryKey: webhooksKey })
    await navigate({ to: '/projects/$project/webhooks/$policy', params: { project, policy: String(policy.id) } })
    tellDone(t('try.done'))
  }
}
