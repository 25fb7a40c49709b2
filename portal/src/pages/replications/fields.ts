import type { Schemas } from '~/api/client'
import { type Schedule, scheduleFor, scheduleOf, validSchedule } from '~/parts/cron'
import type { Rule } from './queries'

type Filter = Schemas['ReplicationFilter']

export const local = 0 // the id of this registry

/** A rule, as it is entered. */
export interface Fields {
  name: string
  description: string
  pull: boolean // from another registry to this one
  registry: string // the id of the other one
  repositories: string // a glob, '': all
  tags: string
  tagsBut: boolean // all but those
  labels: string[]
  labelsBut: boolean
  resource: string // image, artifact or '' for both
  platforms: string[]
  others: Filter[] // which the form has no fields for; they stay
  namespace: string
  replace: number
  trigger: 'manual' | 'scheduled' | 'event_based'
  schedule: Schedule
  deletion: boolean
  override: boolean
  speed: number // KB/s, 0: without bounds
  chunked: boolean
  alone: boolean
  enabled: boolean
}

const text = (value: unknown) => (typeof value === 'string' ? value : '')
const names = (value: unknown) => (Array.isArray(value) ? value.map(String) : [])

export function fieldsOf(rule?: Rule): Fields {
  const filters = rule?.filters ?? []
  const first = (type: string) => filters.find((f) => f.type === type)
  const [name, tag, label, resource] = ['name', 'tag', 'label', 'resource'].map(first)
  const trigger = rule?.trigger?.type
  const cron = scheduleOf(rule?.trigger?.trigger_settings?.cron)
  const pull = rule?.src_registry !== undefined && rule.src_registry?.id !== local
  const other = pull ? rule.src_registry : rule?.dest_registry
  return {
    name: rule?.name ?? '',
    description: rule?.description ?? '',
    pull,
    registry: other ? String(other.id) : '',
    repositories: text(name?.value),
    tags: text(tag?.value),
    tagsBut: tag?.decoration === 'excludes',
    labels: names(label?.value),
    labelsBut: label?.decoration === 'excludes',
    resource: text(resource?.value),
    platforms: rule?.platforms ?? [],
    others: filters.filter((f) => ![name, tag, label, resource].includes(f)),
    namespace: rule?.dest_namespace ?? '',
    replace: rule?.dest_namespace_replace_count ?? 1,
    trigger: trigger === 'scheduled' || trigger === 'event_based' ? trigger : 'manual',
    schedule: cron.type === 'None' ? scheduleFor('Daily') : cron,
    deletion: rule?.deletion ?? false,
    override: rule?.override ?? true,
    speed: Math.max(rule?.speed ?? 0, 0),
    chunked: rule?.copy_by_chunk ?? false,
    alone: rule?.single_active_replication ?? false,
    enabled: rule?.enabled ?? true,
  }
}

/** A rule as the API takes it. */
export function ruleOf(f: Fields): Schemas['ReplicationBodyInput'] {
  const other = { id: Number(f.registry) }
  const decoration = (but: boolean) => (but ? 'excludes' : 'matches')
  const filters = [
    f.repositories.trim() && { type: 'name', value: f.repositories.trim() },
    f.tags.trim() && { type: 'tag', value: f.tags.trim(), decoration: decoration(f.tagsBut) },
    f.labels.length > 0 && { type: 'label', value: f.labels, decoration: decoration(f.labelsBut) },
    f.resource && { type: 'resource', value: f.resource },
    ...f.others,
  ].filter((filter): filter is Filter => Boolean(filter))
  const byEvent = f.trigger === 'event_based'
  return {
    name: f.name.trim(), description: f.description, enabled: f.enabled, filters, platforms: f.platforms,
    ...(f.pull ? { src_registry: other } : { dest_registry: other }),
    dest_namespace: f.namespace.trim(), dest_namespace_replace_count: f.replace,
    trigger: { type: f.trigger, trigger_settings: { cron: f.trigger === 'scheduled' ? f.schedule.cron : '' } },
    deletion: byEvent && f.deletion, override: f.override, speed: f.speed, copy_by_chunk: f.chunked, single_active_replication: !byEvent && f.alone,
  }
}

/** What is wrong with a cron for a rule, beside not being one: rules begin with a minute, and not every minute. */
export function cronFault({ type, cron }: Schedule): 'seconds' | 'minutes' | undefined {
  const [seconds, minutes] = cron.trim().split(/\s+/)
  if (type !== 'Custom' || !validSchedule({ type, cron })) return undefined
  if (seconds !== '0') return 'seconds'
  return minutes === '*' ? 'minutes' : undefined
}

/** What a repository is called at the destination; undefined: it has not that many parts. */
export function renamed(repository: string, namespace: string, replace: number): string | undefined {
  if (!namespace) return repository
  const parts = repository.split('/')
  if (replace < 0) return `${namespace}/${parts.at(-1)}`
  return replace > parts.length - 1 ? undefined : [namespace, ...parts.slice(replace)].join('/')
}
