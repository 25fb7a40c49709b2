import { Radio, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { FormModal } from '~/parts/FormModal'
import { bytes, parseBytes } from '~/parts/numbers'
import { limitOf } from './limit'

interface Props {
  title: string
  value: number // bytes, -1: no limit
  used?: number // of a project that there is
  onSet: (bytes: number) => Promise<unknown>
  onClose: () => void
}

/** The dialog that sets a limit of storage. */
export default function LimitDialog({ title, value, used, onSet, onClose }: Props) {
  const { t, i18n } = useTranslation('quotas')
  const say = (n: number) => bytes(n, i18n.language)
  const [limited, setLimited] = useState(value >= 0)
  const [text, setText] = useState(value < 0 ? '' : exactly(value))
  const limit = limited ? limitOf(text) : -1
  const wrong = limited && text !== '' && Number.isNaN(limit)
  return (
    <FormModal title={title} verb={t('set')} disabled={Number.isNaN(limit)} onSubmit={() => onSet(limit)} onClose={onClose}>
      <Radio.Group label={t('limit')} value={limited ? 'some' : 'none'} onChange={(v) => setLimited(v === 'some')}>
        <Stack gap={8} mt={6}>
          <Radio value="none" label={t('unlimited')} />
          <Radio value="some" label={t('limited')} />
        </Stack>
      </Radio.Group>
      {limited && <TextInput data-autofocus label={t('size')} placeholder="20 GiB" autoComplete="off" description={t('sizeHint')} error={wrong ? t('sizeRule') : undefined} value={text} onChange={(e) => setText(e.currentTarget.value)} />}
      {used !== undefined && <Text size="sm" c="dimmed">{t('usedNow', { used: say(used) })}</Text>}
      {used !== undefined && limit >= 0 && limit < used && <Text size="sm" c="orange" role="status">{t('below')}</Text>}
    </FormModal>
  )
}

/** A number of bytes as it can be read again without a loss. */
function exactly(n: number): string {
  const text = bytes(n, 'en').replaceAll(',', '')
  return parseBytes(text) === n ? text : String(n)
}
