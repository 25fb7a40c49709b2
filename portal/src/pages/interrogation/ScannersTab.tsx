import { ActionIcon, Badge, Button, Group, Menu, Stack, Text } from '@mantine/core'
import { IconDots, IconPencil, IconPlayerPause, IconPlayerPlay, IconPlus, IconRadar2, IconStar, IconTrash } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useConfirm } from '~/parts/Confirm'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { SearchField } from '~/parts/SearchField'
import { tellDone, tellFailure } from '~/parts/tell'
import { useList } from '~/parts/useList'
import { deleteScanner, makeDefault, saveScanner, type Scanner, scannersKey, scannersList } from './queries'

const ScannerDialog = lazy(() => import('./ScannerDialog'))

/** Which scanner the server has itself: it has no address to change. */
const builtIn = (s: Scanner) => s.uuid === '5a1c3f0e-7b7d-4f5e-9a86-2f6c1d0b9e42'

export default function ScannersTab() {
  const { t } = useTranslation('interrogation')
  const list = useList('name')
  const query = useQuery(scannersList(list))
  const [edited, setEdited] = useState<Scanner | 'new'>()
  const add = <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited('new')}>{t('scanner.new')}</Button>
  const columns: Column<Scanner>[] = [
    {
      name: 'name', title: t('scanner.name'), sort: 'name',
      cell: (s) => (
        <Stack gap={2}>
          <Group gap={6}><Text component="span" inherit fw={560}>{s.name}</Text>{s.is_default && <Badge>{t('scanner.default')}</Badge>}{s.disabled && <Badge color="gray">{t('scanner.disabled')}</Badge>}</Group>
          {s.description && <Text component="span" size="sm" c="dimmed">{s.description}</Text>}
        </Stack>
      ),
    },
    { name: 'health', title: t('scanner.health'), cell: (s) => (s.health === 'healthy' ? <Badge color="green">{t('scanner.healthy')}</Badge> : <Stack gap={2} align="flex-start"><Badge color="red">{t('scanner.unhealthy')}</Badge>{s.health_message && <Text size="sm" c="dimmed">{s.health_message}</Text>}</Stack>) },
    { name: 'version', title: t('scanner.version'), cell: (s) => [s.adapter, s.version].filter(Boolean).join(' ') || '–' },
    { name: 'finds', title: t('scanner.finds'), cell: (s) => <Group gap={4}>{s.capabilities.support_vulnerability && <Badge color="gray">{t('scanner.vulnerabilities')}</Badge>}{s.capabilities.support_sbom && <Badge color="gray">{t('scanner.sbom')}</Badge>}</Group> },
    { name: 'url', title: t('scanner.url'), cell: (s) => (builtIn(s) ? <Text component="span" inherit c="dimmed">{t('scanner.builtIn')}</Text> : s.url) },
    { name: 'actions', title: '', width: 52, align: 'right', cell: (s) => <Actions scanner={s} onEdit={() => setEdited(s)} /> },
  ]
  return (
    <>
      <DataTable label={t('tabs.scanners')} columns={columns} query={query} list={list} rowKey={(s) => s.uuid} toolbar={<><SearchField list={list} label={t('scanner.search')} /><Group ml="auto">{add}</Group></>}
        empty={<EmptyState icon={IconRadar2} title={t('scanner.empty')} action={add}>{t('scanner.emptyNext')}</EmptyState>} />
      <Suspense>{edited && <ScannerDialog scanner={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />}</Suspense>
    </>
  )
}

function Actions({ scanner: s, onEdit }: { scanner: Scanner; onEdit: () => void }) {
  const { t } = useTranslation('interrogation')
  const queries = useQueryClient()
  const confirm = useConfirm()
  const again = () => queries.invalidateQueries({ queryKey: scannersKey })
  const does = async (action: () => Promise<unknown>, said: string) => {
    try {
      await action()
      tellDone(said)
    } catch (error) {
      tellFailure(error)
    }
    await again()
  }
  const toggle = () => saveScanner(s.uuid, { name: s.name, url: s.url, disabled: !s.disabled })
  const remove = () => confirm({
    title: t('delete.title', { name: s.name }), loses: t('delete.loses'), verb: t('delete.verb'), done: t('delete.done', { name: s.name }),
    action: async () => {
      await deleteScanner(s.uuid)
      await again()
    },
  })
  return (
    <Menu>
      <Menu.Target><ActionIcon aria-label={t('scanner.actions', { name: s.name })}><IconDots size={18} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        {!s.is_default && <Menu.Item leftSection={<IconStar size={16} />} onClick={() => void does(() => makeDefault(s.uuid), t('scanner.madeDefault', { name: s.name }))}>{t('scanner.makeDefault')}</Menu.Item>}
        {!builtIn(s) && <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>{t('scanner.edit')}</Menu.Item>}
        {!builtIn(s) && <Menu.Item leftSection={s.disabled ? <IconPlayerPlay size={16} /> : <IconPlayerPause size={16} />} onClick={() => void does(toggle, t('scanner.saved'))}>{t(s.disabled ? 'scanner.enable' : 'scanner.disable')}</Menu.Item>}
        {!builtIn(s) && <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={remove}>{t('delete.open')}</Menu.Item>}
      </Menu.Dropdown>
    </Menu>
  )
}
