import { Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import classes from './DayBars.module.css'

interface Props {
  days: { day: string; pulls: number }[] // oldest first, none left out: "2026-11-28"
}

/** How much was pulled on each day: a bar for each, and what they come to in words. */
export function DayBars({ days }: Props) {
  const { t, i18n } = useTranslation('parts')
  // Days are those of UTC, wherever the reader is.
  const say = (day: string) => new Date(day).toLocaleDateString(i18n.language, { day: 'numeric', month: 'long', timeZone: 'UTC' })
  const most = days.reduce<Props['days'][number] | undefined>((m, d) => (m && m.pulls >= d.pulls ? m : d), undefined)
  const [first, last] = [days[0], days.at(-1)]
  if (!most || !first || !last || most.pulls === 0) return <Text c="dimmed">{t('days.none')}</Text>
  const told = t('days.told', { count: days.reduce((sum, d) => sum + d.pulls, 0), day: say(most.day), most: most.pulls })
  return (
    <figure className={classes.figure}>
      <div className={classes.bars} aria-hidden>
        {days.map((d) => (
          <span key={d.day} className={classes.day} title={`${say(d.day)}: ${d.pulls.toLocaleString(i18n.language)}`}>
            {d.pulls > 0 && <span style={{ height: `${(d.pulls / most.pulls) * 100}%` }} />}
          </span>
        ))}
      </div>
      <div className={classes.ends} aria-hidden><span>{say(first.day)}</span><span>{say(last.day)}</span></div>
      <figcaption><Text size="sm" c="dimmed">{told}</Text></figcaption>
    </figure>
  )
}
