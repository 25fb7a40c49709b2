import { Button, Group, Stack, Text } from '@mantine/core'
import { IconDownload, IconListDetails } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { type Column, DataTable } from '~/parts/DataTable'
import { EmptyState } from '~/parts/EmptyState'
import { Panel } from '~/parts/Panel'
import { SearchField } from '~/parts/SearchField'
import { useList } from '~/parts/useList'
import { saveText } from './save'
import { additionOf, type Place, textOf } from './queries'
import { ScanButton, ScanState } from './Scanning'
import { choosePackages, type Package, readInventory } from './sbom'
import { useArtifact } from './useArtifact'

export default function SbomTab() {
  const { t } = useTranslation('artifact')
  const { artifact, place } = useArtifact()
  // An artifact that is itself an inventory shows what is in it.
  if ('sbom' in artifact.addition_links) return <Packages place={place} />
  const run = artifact.sbom_overview
  if (!run) return <Panel><EmptyState icon={IconListDetails} title={t('sbom.never')} action={<ScanButton kind="sbom" run={run} />}>{t('sbom.neverHint')}</EmptyState></Panel>
  return (
    <Stack gap="md">
      <Panel title={t('sbom.title')} actions={<ScanButton kind="sbom" run={run} variant="default" />}><ScanState kind="sbom" run={run} /></Panel>
      {run.sbom_digest && <Packages key={run.sbom_digest} place={{ ...place, reference: run.sbom_digest }} />}
    </Stack>
  )
}

function Packages({ place }: { place: Place }) {
  const { t } = useTranslation('artifact')
  const list = useList('name')
  const inventory = additionOf(place, 'sbom', readInventory)
  const query = useQuery({ ...inventory, select: ({ packages }) => choosePackages(packages, list) })
  const { data: format } = useQuery({ ...inventory, select: (i) => i.format })
  const columns: Column<Package>[] = [
    { name: 'name', title: t('sbom.package'), sort: 'name', cell: (p) => <Text component="span" inherit fw={560}>{p.name}</Text> },
    { name: 'version', title: t('sbom.version'), cell: (p) => p.version },
    { name: 'license', title: t('sbom.license'), sort: 'license', cell: (p) => p.license || <Text component="span" c="dimmed" inherit>–</Text> },
    { name: 'purl', title: t('sbom.purl'), cell: (p) => <span className="mono">{p.purl}</span> },
  ]
  return (
    <DataTable
      label={t('sbom.packages')} columns={columns} query={query} list={list} rowKey={(p) => `${p.name} ${p.version} ${p.purl}`}
      toolbar={<><SearchField list={list} label={t('sbom.search')} /><Group ml="auto" gap="sm"><Text size="sm" c="dimmed">{format}</Text><Download place={place} /></Group></>}
      empty={<EmptyState icon={IconListDetails} title={t('sbom.empty')} />}
    />
  )
}

function Download({ place }: { place: Place }) {
  const { t } = useTranslation('artifact')
  const { refetch, isFetching } = useQuery({ ...textOf(place, 'sbom'), enabled: false })
  const save = async () => {
    const { data } = await refetch()
    if (data !== undefined) saveText(`${place.repository.replaceAll('/', '-')}-${place.reference.slice(7, 19)}.json`, String(data), 'application/json')
  }
  return <Button size="sm" variant="default" leftSection={<IconDownload size={15} />} loading={isFetching} onClick={() => void save()}>{t('sbom.download')}</Button>
}
