import { ActionIcon, Menu } from '@mantine/core'
import { IconBan, IconCircleCheck, IconDots, IconPencil, IconRefresh, IconTrash } from '@tabler/icons-react'
import { useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useConfirm } from '~/parts/Confirm'
import { tellDone, tellFailure } from '~/parts/tell'
import { deleteRobot, refreshSecret, type Robot, robotsKey, updateRobot } from './queries'
import type { Told } from './SecretDialog'

interface Props {
  robot: Robot
  may: { update: boolean; delete: boolean }
  onEdit: () => void
  onSecret: (told: Told) => void
}

/** What can be done to a robot account. */
export function RobotActions({ robot, may, onEdit, onSecret }: Props) {
  const { t } = useTranslation('robots')
  const confirm = useConfirm()
  const queries = useQueryClient()
  const forget = () => queries.invalidateQueries({ queryKey: robotsKey })
  const { name } = robot

  const enable = () => updateRobot(robot, { disable: false }).then(forget).then(() => tellDone(t('enable.done', { name })), tellFailure)
  const disable = () =>
    confirm({
      title: t('disable.title', { name }), loses: t('disable.loses'), verb: t('disable.verb'), done: t('disable.done', { name }),
      action: () => updateRobot(robot, { disable: true }).then(forget),
    })
  const refresh = () =>
    confirm({
      title: t('refresh.title', { name }), loses: t('refresh.loses'), verb: t('refresh.verb'),
      action: async () => onSecret({ name, secret: (await refreshSecret(robot.id)).secret }),
    })
  const remove = () =>
    confirm({
      title: t('delete.title', { name }), loses: t('delete.loses'), verb: t('delete.verb'), done: t('delete.done', { name }),
      action: () => deleteRobot(robot.id).then(forget),
    })
  return (
    <Menu>
      <Menu.Target><ActionIcon size="md" aria-label={t('actions', { name })}><IconDots size={17} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        {may.update && robot.editable && (
          <>
            <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>{t('edit.open')}</Menu.Item>
            <Menu.Item leftSection={<IconRefresh size={16} />} onClick={refresh}>{t('refresh.open')}</Menu.Item>
            {robot.disable
              ? <Menu.Item leftSection={<IconCircleCheck size={16} />} onClick={() => void enable()}>{t('enable.open')}</Menu.Item>
              : <Menu.Item leftSection={<IconBan size={16} />} onClick={disable}>{t('disable.open')}</Menu.Item>}
          </>
        )}
        {may.delete && <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={remove}>{t('delete.open')}</Menu.Item>}
      </Menu.Dropdown>
    </Menu>
  )
}
