import { Stack, Text } from '@mantine/core'
import { useQuery, type UseQueryResult } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { ApiError } from '~/api/client'
import { Bytes } from '~/parts/Bytes'
import { ErrorState } from '~/parts/ErrorState'
import { ExternalLink } from '~/parts/ExternalLink'
import { Markdown } from '~/parts/Markdown'
import { PageSkeleton } from '~/parts/PageSkeleton'
import { Panel } from '~/parts/Panel'
import { TextBlock } from '~/parts/TextBlock'
import classes from './artifact.module.css'
import { additionOf, textOf } from './queries'
import { useArtifact } from './useArtifact'
import { listField, numberField, textField } from './values'

/** The documents of a chart or a model. */
export default function ContentTab() {
  const { t } = useTranslation('artifact')
  const { artifact } = useArtifact()
  const has = (name: string) => name in artifact.addition_links
  return (
    <Stack gap="md">
      {has('readme.md') && <Document name="readme.md" title={t('content.readme')} shape={(text) => <Markdown text={text} />} />}
      {has('dependencies') && <Dependencies />}
      {has('values.yaml') && <Document name="values.yaml" title={t('content.values')} />}
      {has('files') && <Files />}
      {has('license') && <Document name="license" title={t('content.license')} />}
      {has('provenance') && <Document name="provenance" title={t('content.provenance')} />}
    </Stack>
  )
}

function Document({ name, title, shape }: { name: string; title: string; shape?: (text: string) => React.ReactNode }) {
  const { place } = useArtifact()
  const query = useQuery(textOf(place, name))
  return <Section title={title} query={query}>{(text) => (shape ? shape(String(text)) : <TextBlock label={title} text={String(text)} />)}</Section>
}

interface SectionProps<T> {
  title: string
  query: UseQueryResult<T>
  children: (data: T) => React.ReactNode
}

/** A panel of what is asked for. That an artifact lacks it is no failure. */
function Section<T>({ title, query, children }: SectionProps<T>) {
  const { t } = useTranslation('artifact')
  const lacking = (query.error instanceof ApiError && query.error.status === 404) || query.data === ''
  return (
    <Panel title={title}>
      {lacking ? <Text c="dimmed">{t('content.lacking')}</Text> : query.isError ? <ErrorState error={query.error} onRetry={() => void query.refetch()} /> : query.data === undefined ? <PageSkeleton /> : children(query.data)}
    </Panel>
  )
}

function Dependencies() {
  const { t } = useTranslation('artifact')
  const { place } = useArtifact()
  const query = useQuery(additionOf(place, 'dependencies', (d) => (Array.isArray(d) ? d : []).map((one) => ({ name: textField(one, 'name'), version: textField(one, 'version'), repository: textField(one, 'repository') }))))
  return (
    <Section title={t('content.dependencies')} query={query}>
      {(all) => all.length === 0 ? <Text c="dimmed">{t('content.noDependencies')}</Text> : (
        <table className={classes.table}>
          <thead><tr><th>{t('content.name')}</th><th>{t('content.version')}</th><th>{t('content.from')}</th></tr></thead>
          <tbody>{all.map((d, i) => <tr key={i}><td>{d.name}</td><td>{d.version}</td><td><ExternalLink url={d.repository} /></td></tr>)}</tbody>
        </table>
      )}
    </Section>
  )
}

interface Node {
  name: string
  size: number | undefined
  children: Node[]
}

const readNode = (d: unknown): Node => ({ name: textField(d, 'name'), size: numberField(d, 'size'), children: listField(d, 'children').map(readNode) })

function Files() {
  const { t } = useTranslation('artifact')
  const { place } = useArtifact()
  const query = useQuery(additionOf(place, 'files', (d) => (Array.isArray(d) ? d : []).map(readNode)))
  return <Section title={t('content.files')} query={query}>{(nodes) => (nodes.length === 0 ? <Text c="dimmed">{t('content.lacking')}</Text> : <Tree nodes={nodes} />)}</Section>
}

function Tree({ nodes }: { nodes: Node[] }) {
  return (
    <ul className={classes.files}>
      {nodes.map((n) => (
        <li key={n.name}>
          {n.children.length > 0 ? <details open><summary>{n.name}/</summary><Tree nodes={n.children} /></details> : <span className={classes.file}><span>{n.name}</span>{n.size !== undefined && <Bytes value={n.size} />}</span>}
        </li>
      ))}
    </ul>
  )
}
