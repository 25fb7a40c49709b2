import { ActionIcon, Badge, Stack, Tooltip } from '@mantine/core'
import { IconPaperclip, IconTrash } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Bytes } from '~/parts/Bytes'
import { useConfirm } from '~/parts/Confirm'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { TextLink } from '~/parts/links'
import { shortDigest } from '~/parts/names'
import { TimeAgo } from '~/parts/TimeAgo'
import { useList } from '~/parts/useList'
import { type Accessory, accessoriesOf, deleteArtifact } from './queries'
import { Signatures } from './Signatures'
import { useArtifact } from './useArtifact'

const kinds = { 'signature.cosign': 'cosign', 'signature.notation': 'notation', 'sbom.harbor': 'sbom', 'accelerator.nydus': 'nydus', 'subject.accessory': 'other' } as const

export default function AccessoriesTab() {
  const { t } = useTranslation('artifact')
  const { place, params, may } = useArtifact()
  const list = useList('-creation_time')
  const query = useQuery(accessoriesOf(place, list))
  const remove = useDelete()
  const columns: Column<Accessory>[] = [
    { name: 'type', title: t('accessories.type'), sort: 'type', cell: (a) => <KindName type={a.type} /> },
    { name: 'digest', title: t('overview.digest'), cell: (a) => <TextLink className="mono" title={a.digest} to="/projects/$project/repositories/$repository/artifacts/$reference" params={{ ...params, reference: a.digest }}>{shortDigest(a.digest)}</TextLink> },
    { name: 'size', title: t('overview.size'), sort: 'size', align: 'right', cell: (a) => <Bytes value={a.size} /> },
    { name: 'created', title: t('overview.created'), sort: 'creation_time', cell: (a) => <TimeAgo value={a.creation_time} /> },
  ]
  if (may('artifact', 'delete')) {
    columns.push({
      name: 'actions', title: '', width: 52, align: 'right',
      cell: (a) => <Tooltip label={t('accessories.delete')}><ActionIcon size="md" aria-label={t('accessories.deleteOf', { name: shortDigest(a.digest) })} onClick={() => remove(a)}><IconTrash size={16} /></ActionIcon></Tooltip>,
    })
  }
  return (
    <Stack gap="md">
      <Signatures />
      <DataTable
        label={t('tabs.accessories')} columns={columns} query={query} list={list} rowKey={(a) => a.digest}
        empty={<EmptyState icon={IconPaperclip} title={t('accessories.empty')}>{t('accessories.emptyHint')}</EmptyState>}
      />
    </Stack>
  )
}

function KindName({ type }: { type: string }) {
  const { t } = useTranslation('artifact')
  const kind = kinds[type as keyof typeof kinds] // which is undefined for a type of somebody's own
  return <Badge color="gray">{kind ? t(`kinds.${kind}`) : type}</Badge>
}

function useDelete() {
  const { t } = useTranslation('artifact')
  const { params, changed } = useArtifact()
  const confirm = useConfirm()
  return (accessory: Accessory) =>
    confirm({
      title: t('accessories.deleteTitle', { name: shortDigest(accessory.digest) }),
      names: [`${accessory.type} ${shortDigest(accessory.digest)}`],
      loses: t(accessory.type.startsWith('signature.') ? 'accessories.losesSignature' : 'accessories.loses'),
      verb: t('accessories.delete'),
      action: async () => {
        await deleteArtifact({ ...params, reference: accessory.digest })
        await changed()
      },
      done: t('accessories.deleted'),
    })
}
