import { Drawer } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Navigation } from './Navigation'

interface Props {
  opened: boolean
  onClose: () => void
}

/** The navigation where there is no room for it beside the page. */
export default function NavigationDrawer({ opened, onClose }: Props) {
  const { t } = useTranslation()
  return (
    <Drawer opened={opened} onClose={onClose} size={260} title="Berth" closeButtonProps={{ 'aria-label': t('close') }}>
      <nav aria-label={t('navigation.label')}><Navigation /></nav>
    </Drawer>
  )
}
