import { Alert, Button, Group, Stack } from '@mantine/core'
import { IconPlugConnected } from '@tabler/icons-react'
import { useMutation } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { Schemas } from '~/api/client'
import { words } from '~/parts/tell'
import { tryRegistry } from './queries'

/** A button that tries whether a registry can be reached as it is entered, and what came of it. */
export function Trial({ what, disabled }: { what: Schemas['RegistryTrial']; disabled: boolean }) {
  const { t } = useTranslation('registries')
  const trial = useMutation({ mutationFn: (tried: Schemas['RegistryTrial']) => tryRegistry(tried) })
  // What came of something else says nothing.
  const counts = JSON.stringify(trial.variables) === JSON.stringify(what)
  return (
    <Stack gap="xs">
      <Group><Button variant="default" leftSection={<IconPlugConnected size={16} />} loading={trial.isPending} disabled={disabled} onClick={() => trial.mutate(what)}>{t('try.open')}</Button></Group>
      <div role="status">
        {counts && trial.isSuccess && <Alert color="teal">{t('try.good')}</Alert>}
        {counts && trial.isError && <Alert color="red" title={t('try.bad')}>{words(trial.error)}</Alert>}
      </div>
    </Stack>
  )
}
