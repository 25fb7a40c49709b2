import { ActionIcon, Menu } from '@mantine/core'
import { IconBan, IconCircleCheck, IconDots, IconPencil, IconPlayerPlay, IconTrash } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useConfirm } from '~/parts/Confirm'
import { tellDone, tellFailure } from '~/parts/tell'
import { fieldsOf, ruleOf } from './fields'
import { deleteRule, replicationKey, type Rule, saveRule, startRule } from './queries'

/** Returns what starts a rule, and goes to what is done. */
export function useStart() {
  const navigate = useNavigate()
  const queries = useQueryClient()
  return async (rule: Rule) => {
    try {
      const execution = await startRule(rule.id)
      await queries.invalidateQueries({ queryKey: replicationKey })
      await navigate({ to: '/replications/$rule/executions/$execution', params: { rule: String(rule.id), execution: String(execution) } })
    } catch (error) {
      tellFailure(error)
    }
  }
}

interface Props {
  rule: Rule
  onEdit: () => void
  onDeleted?: () => Promise<void> // goes where there is something to see
}

/** What can be done to a rule. */
export function RuleActions({ rule, onEdit, onDeleted }: Props) {
  const { t } = useTranslation('replications')
  const confirm = useConfirm()
  const queries = useQueryClient()
  const start = useStart()
  const forget = () => queries.invalidateQueries({ queryKey: replicationKey })
  const { name } = rule
  const turn = (enabled: boolean) => saveRule(ruleOf({ ...fieldsOf(rule), enabled }), rule.id).then(forget)
  const enable = () => turn(true).then(() => tellDone(t('enable.done', { name })), tellFailure)
  const disable = () => confirm({ title: t('disable.title', { name }), loses: t('disable.loses'), verb: t('disable.verb'), done: t('disable.done', { name }), action: () => turn(false) })
  const remove = () =>
    confirm({
      title: t('delete.title', { name }), loses: t('delete.loses'), verb: t('delete.verb'), done: t('delete.done', { name }),
      action: async () => {
        await deleteRule(rule.id)
        await onDeleted?.()
        await forget()
      },
    })
  return (
    <Menu>
      <Menu.Target><ActionIcon size="md" aria-label={t('actions', { name })}><IconDots size={17} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        {rule.enabled && <Menu.Item leftSection={<IconPlayerPlay size={16} />} onClick={() => void start(rule)}>{t('run')}</Menu.Item>}
        <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>{t('edit.open')}</Menu.Item>
        {rule.enabled
          ? <Menu.Item leftSection={<IconBan size={16} />} onClick={disable}>{t('disable.open')}</Menu.Item>
          : <Menu.Item leftSection={<IconCircleCheck size={16} />} onClick={() => void enable()}>{t('enable.open')}</Menu.Item>}
        <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={remove}>{t('delete.open')}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
