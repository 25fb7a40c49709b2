import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { useProject } from '~/pages/project/useProject'
import classes from './PolicyNav.module.css'

const parts = [
  { name: 'retention', to: '/projects/$project/policy', needs: ['tag-retention', 'list'] },
  { name: 'immutability', to: '/projects/$project/policy/immutability', needs: ['immutable-tag', 'list'] },
  { name: 'trust', to: '/projects/$project/policy/trust', needs: ['metadata', 'read'] },
] as const

/** The way between the kinds of policies of a project; says what the one is for that is shown. */
export function PolicyNav({ shown }: { shown: (typeof parts)[number]['name'] }) {
  const { t } = useTranslation('policy')
  const { name, may } = useProject()
  return (
    <div className={classes.whole}>
      <nav className={classes.links} aria-label={t('label')}>
        {parts.filter((p) => may(p.needs[0], p.needs[1])).map((p) => (
          <Link key={p.name} to={p.to} params={{ project: name }} className={classes.link} aria-current={p.name === shown ? 'page' : undefined} activeOptions={{ exact: true, includeSearch: false }} activeProps={{}}>{t(`part.${p.name}`)}</Link>
        ))}
      </nav>
      <p className={classes.about}>{t(`about.${shown}`)}</p>
    </div>
  )
}
