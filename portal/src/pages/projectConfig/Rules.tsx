import { Checkbox, NativeSelect, Stack, Text } from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { useTranslation } from 'react-i18next'
import { useProject } from '~/pages/project/useProject'
import { TextLink } from '~/parts/links'
import { Panel } from '~/parts/Panel'
import type { Settings } from './settings'

interface Props {
  form: UseFormReturnType<Settings>
  cache: boolean
}

const formats = [{ value: 'application/spdx+json', label: 'SPDX' }, { value: 'application/vnd.cyclonedx+json', label: 'CycloneDX' }]
const severities = ['none', 'low', 'medium', 'high', 'critical'] as const

/** What keeps an image from being pulled. */
export function PullRules({ form, cache }: Props) {
  const { t } = useTranslation('projectConfig')
  const { name } = useProject()
  const box = (field: keyof Settings) => form.getInputProps(field, { type: 'checkbox' })
  const { cosign, notation, preventVulnerable, severity } = form.values
  return (
    <Panel title={t('pull.title')}>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">{t('pull.text')}</Text>
        <Checkbox label={t('pull.cosign')} {...box('cosign')} />
        {!cache && <Checkbox label={t('pull.notation')} {...box('notation')} />}
        {(cosign || notation) && (
          <Stack gap="xs" ml={30}>
            <Text size="sm" c="dimmed">{t('pull.trust')} <TextLink inherit td="underline" to="/projects/$project/policy/trust" params={{ project: name }}>{t('pull.trustLink')}</TextLink></Text>
            <Checkbox label={t('pull.anySigner')} description={t('pull.anySignerHint')} {...box('anySigner')} />
          </Stack>
        )}
        <Checkbox label={t('pull.vulnerable')} {...box('preventVulnerable')} />
        {preventVulnerable && (
          <Stack gap="xs" ml={30}>
            <NativeSelect w={260} label={t('pull.severity')} {...form.getInputProps('severity')}
              data={[...severities.map((s) => ({ value: s, label: t(`severity.${s}`) })), ...(severities.some((s) => s === severity) ? [] : [severity])]} />
            <Checkbox label={t('pull.unscanned')} {...box('allowUnscanned')} />
            <Checkbox label={t('pull.signedVex')} description={t('pull.signedVexHint')} {...box('signedVex')} />
          </Stack>
        )}
        <Checkbox label={t('pull.noSbom')} {...box('preventNoSbom')} />
        <Checkbox label={t('pull.auditOnly')} description={t('pull.auditOnlyHint')} {...box('auditOnly')} />
      </Stack>
    </Panel>
  )
}

/** What is done with an image that has been pushed, or cached. */
export function PushRules({ form, cache }: Props) {
  const { t } = useTranslation('projectConfig')
  return (
    <Panel title={t(cache ? 'push.titleCache' : 'push.title')}>
      <Stack gap="sm">
        <Checkbox label={t('push.scan')} {...form.getInputProps('scanOnPush', { type: 'checkbox' })} />
        <Checkbox label={t('push.sbom')} {...form.getInputProps('sbomOnPush', { type: 'checkbox' })} />
        {form.values.sbomOnPush && <NativeSelect ml={30} w={260} label={t('push.format')} data={formats} {...form.getInputProps('sbomFormat')} />}
      </Stack>
    </Panel>
  )
}
