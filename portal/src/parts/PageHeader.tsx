import { Breadcrumbs, Group, Text, Title } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import classes from './PageHeader.module.css'

interface Props {
  title: string
  mark?: ReactNode // beside the title: badges
  above?: ReactNode[] // links to what the page is a part of, outermost first
  description?: ReactNode
  actions?: ReactNode
}

/** The beginning of every page; names the window too. */
export function PageHeader({ title, mark, above, description, actions }: Props) {
  const { t } = useTranslation('parts')
  useDocumentTitle(`${title} · Berth`)
  return (
    <div className={classes.header}>
      {above && <Breadcrumbs aria-label={t('breadcrumbs')} component="nav" className={classes.above} separatorMargin={6}>{above}</Breadcrumbs>}
      <div className={classes.line}>
        <Group gap="sm" wrap="nowrap" className={classes.title}><Title order={1}>{title}</Title>{mark}</Group>
        {actions && <Group gap="xs">{actions}</Group>}
      </div>
      {description && <Text component="div" c="dimmed" mt={4}>{description}</Text>}
    </div>
  )
}
