import { Badge } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { Robot } from './queries'

/** Whether a robot account can sign in. */
export function RobotState({ robot }: { robot: Robot }) {
  const { t } = useTranslation('robots')
  if (robot.disable) return <Badge color="gray">{t('state.disabled')}</Badge>
  if (robot.expires_at > 0 && robot.expires_at * 1000 < Date.now()) return <Badge color="red">{t('state.expired')}</Badge>
  return <Badge color="teal">{t('state.enabled')}</Badge>
}
