import { ActionIcon, Button, Popover, Stack, Tooltip } from '@mantine/core'
import { IconDownload } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { CopyCommand } from '~/parts/CopyCommand'
import { clientsFor, pullCommand } from '~/parts/pull'

interface Props {
  type: string // of the artifact
  repository: string // with host and project
  reference: string // tag or digest
  labelled?: boolean // a button with words
}

/** The commands that pull an artifact, by the clients that can. */
export function PullMenu({ type, repository, reference, labelled = false }: Props) {
  const { t } = useTranslation('repositories')
  return (
    <Popover position="bottom-end" width="min(440px, 92vw)" shadow="md" trapFocus returnFocus>
      <Popover.Target>
        {labelled
          ? <Button leftSection={<IconDownload size={16} />}>{t('pull')}</Button>
          : <Tooltip label={t('pull')}><ActionIcon size="md" aria-label={t('pullOf', { reference: reference.slice(0, 19) })}><IconDownload size={16} /></ActionIcon></Tooltip>}
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap="xs">
          {clientsFor(type).map((client) => <CopyCommand key={client} label={client} command={pullCommand(client, repository, reference)} />)}
        </Stack>
      </Popover.Dropdown>
    </Popover>
  )
}
