import { Stack } from '@mantine/core'
import { IconAnchorOff } from '@tabler/icons-react'
import { type ErrorComponentProps, useRouter } from '@tanstack/react-router'
import { Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { EmptyState } from '~/parts/EmptyState'
import { ErrorState } from '~/parts/ErrorState'
import { ButtonLink } from '~/parts/links'

/** In place of a page that could not be shown. */
export function PageError({ error, reset }: ErrorComponentProps) {
  const router = useRouter()
  const retry = () => {
    reset()
    void router.invalidate()
  }
  return <Suspense><Stack p="xl"><ErrorState error={error} onRetry={retry} /></Stack></Suspense>
}

/** In place of a page that does not exist. */
export function NotFound() {
  const { t } = useTranslation()
  return (
    <EmptyState whole icon={IconAnchorOff} title={t('notFound.title')} action={<ButtonLink to="/">{t('notFound.home')}</ButtonLink>}>
      {t('notFound.text')}
    </EmptyState>
  )
}
