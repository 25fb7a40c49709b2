import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { isAdmin, useMe } from '~/api/session'
import { administrators, type Entry, elsewhere, everybody, members } from './navigation'
import classes from './Shell.module.css'

/** Where one can go, by what one may see. */
export function Navigation() {
  const { t } = useTranslation()
  const user = useMe()
  const admin = isAdmin(user)
  return (
    <>
      <Entries entries={user ? [...everybody, ...members] : everybody} />
      {admin && administrators.length > 0 && (
        <>
          <h2 className={classes.group}>{t('navigation.administration')}</h2>
          <Entries entries={administrators} />
        </>
      )}
      <ul className={`${classes.entries} ${classes.foot}`}>
        {elsewhere.map(({ name, href, icon: Icon }) => (
          <li key={name}><a className={classes.entry} href={href} target="_blank" rel="noreferrer"><Icon size={18} stroke={1.7} />{t(`navigation.${name}`)}</a></li>
        ))}
      </ul>
    </>
  )
}

function Entries({ entries }: { entries: Entry[] }) {
  const { t } = useTranslation()
  return (
    <ul className={classes.entries}>
      {entries.map(({ name, to, icon: Icon }) => (
        <li key={name}><Link className={classes.entry} to={to}><Icon size={18} stroke={1.7} />{t(`navigation.${name}`)}</Link></li>
      ))}
    </ul>
  )
}
