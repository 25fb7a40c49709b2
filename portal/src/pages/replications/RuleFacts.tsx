import { useTranslation } from 'react-i18next'
import { NextRun } from '~/parts/CronPicker'
import { Facts } from '~/parts/Facts'
import { Ends } from './Ends'
import { fieldsOf, renamed } from './fields'
import type { Rule } from './queries'
import { TriggerName } from './TriggerName'

const sample = 'library/tools/app'

/** What a rule copies, and what it is called there. */
export function RuleCopies({ rule }: { rule: Rule }) {
  const { t } = useTranslation('replications')
  const f = fieldsOf(rule)
  const but = (all: string, no: boolean) => (all && no ? t('but', { all }) : all)
  return (
    <Facts
      facts={[
        [t('ends'), <Ends key="ends" rule={rule} />],
        [t('form.repositories'), f.repositories || t('all')],
        [t('form.tags'), but(f.tags, f.tagsBut) || t('all')],
        [t('form.labels'), but(f.labels.join(', '), f.labelsBut)],
        [t('form.resource'), f.resource === 'image' || f.resource === 'artifact' ? t(`form.${f.resource}`) : ''],
        [t('form.platforms'), f.platforms.join(', ')],
        [t('form.others'), f.others.length > 0 && String(f.others.length)],
        [t('form.namespace'), f.namespace && t('form.becomes', { from: sample, to: renamed(sample, f.namespace, f.replace) ?? '–' })],
      ]}
    />
  )
}

/** When a rule does so, and how. */
export function RuleOptions({ rule }: { rule: Rule }) {
  const { t, i18n } = useTranslation('replications')
  const f = fieldsOf(rule)
  const say = (is: boolean) => t(is ? 'yes' : 'no')
  return (
    <Facts
      facts={[
        [t('trigger.label'), <div key="trigger"><TriggerName trigger={f.trigger} />{f.trigger === 'scheduled' && <> <span className="mono">{f.schedule.cron}</span>{rule.enabled && <NextRun cron={f.schedule.cron} />}</>}</div>],
        [t('form.deletion'), f.trigger === 'event_based' && say(f.deletion)],
        [t('form.override'), say(f.override)],
        [t('form.speed'), f.speed > 0 ? t('form.speedValue', { speed: f.speed.toLocaleString(i18n.language) }) : t('form.unbounded')],
        [t('form.chunked'), f.chunked && say(true)],
        [t('form.alone'), f.alone && say(true)],
      ]}
    />
  )
}
