import { ActionIcon, Badge, Button, Group, Menu } from '@mantine/core'
import { IconBan, IconCircleCheck, IconDots, IconLock, IconPencil, IconPlus, IconTrash } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { PolicyNav } from '~/pages/policy/PolicyNav'
import { Selector } from '~/pages/policy/Selector'
import { chosenOf } from '~/pages/policy/selectors'
import { useProject } from '~/pages/project/useProject'
import { useConfirm } from '~/parts/Confirm'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { tellDone, tellFailure } from '~/parts/tell'
import { useList } from '~/parts/useList'
import { deleteRule, enableRule, immutabilityKey, type Rule, rulesList } from './queries'

const RuleForm = lazy(() => import('./RuleForm'))

export default function ImmutabilityTab() {
  const { t } = useTranslation('immutability')
  const { name, may } = useProject()
  const list = useList('id')
  const query = useQuery(rulesList(name, list))
  const [edited, setEdited] = useState<Rule | 'new'>()
  const columns: Column<Rule>[] = [
    { name: 'repositories', title: t('repositories'), cell: (r) => <Selector {...chosenOf(r).repositories} /> },
    { name: 'tags', title: t('tags'), cell: (r) => <Selector {...chosenOf(r).tags} /> },
    { name: 'state', title: t('state.label'), cell: (r) => <Badge color={r.disabled ? 'gray' : 'teal'}>{t(r.disabled ? 'state.disabled' : 'state.enabled')}</Badge> },
  ]
  const rights = { update: may('immutable-tag', 'update'), delete: may('immutable-tag', 'delete') }
  if (rights.update || rights.delete) columns.push({ name: 'actions', title: '', width: 52, align: 'right', cell: (r) => <Actions project={name} rule={r} may={rights} onEdit={() => setEdited(r)} /> })
  const create = may('immutable-tag', 'create') && <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited('new')}>{t('create.open')}</Button>
  return (
    <>
      <PolicyNav shown="immutability" />
      <DataTable
        label={t('title')}
        columns={columns}
        query={query}
        list={list}
        rowKey={(r) => r.id}
        toolbar={create && <Group ml="auto">{create}</Group>}
        empty={<EmptyState icon={IconLock} title={t('empty.title')} action={create}>{t('empty.text')}</EmptyState>}
      />
      <Suspense>{edited && <RuleForm project={name} rule={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />}</Suspense>
    </>
  )
}

function Actions({ project, rule, may, onEdit }: { project: string; rule: Rule; may: { update: boolean; delete: boolean }; onEdit: () => void }) {
  const { t } = useTranslation('immutability')
  const confirm = useConfirm()
  const queries = useQueryClient()
  const forget = () => queries.invalidateQueries({ queryKey: immutabilityKey })
  const enable = () => enableRule(project, rule, true).then(forget).then(() => tellDone(t('enable.done')), tellFailure)
  const disable = () =>
    confirm({ title: t('disable.title'), loses: t('disable.loses'), verb: t('disable.verb'), done: t('disable.done'), action: () => enableRule(project, rule, false).then(forget) })
  const remove = () =>
    confirm({ title: t('delete.title'), loses: t('delete.loses'), verb: t('delete.verb'), done: t('delete.done'), action: () => deleteRule(project, rule.id).then(forget) })
  return (
    <Menu>
      <Menu.Target><ActionIcon size="md" aria-label={t('actions', { tags: chosenOf(rule).tags.pattern })}><IconDots size={17} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        {may.update && <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>{t('edit.open')}</Menu.Item>}
        {may.update && (rule.disabled
          ? <Menu.Item leftSection={<IconCircleCheck size={16} />} onClick={() => void enable()}>{t('enable.open')}</Menu.Item>
          : <Menu.Item leftSection={<IconBan size={16} />} onClick={disable}>{t('disable.open')}</Menu.Item>)}
        {may.delete && <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={remove}>{t('delete.open')}</Menu.Item>}
      </Menu.Dropdown>
    </Menu>
  )
}
