import { Text } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { SelectorFields } from '~/pages/policy/SelectorFields'
import { chosenOf, everything } from '~/pages/policy/selectors'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import { immutabilityKey, type Rule, saveRule } from './queries'

/** The dialog that creates a rule about immutable tags, or changes one. */
export default function RuleForm({ project, rule, onClose }: { project: string; rule?: Rule; onClose: () => void }) {
  const { t } = useTranslation('immutability')
  const [chosen, setChosen] = useState(rule ? chosenOf(rule) : everything)
  const queries = useQueryClient()
  const save = async () => {
    await saveRule(project, chosen, rule)
    await queries.invalidateQueries({ queryKey: immutabilityKey })
    tellDone(t(rule ? 'edit.done' : 'create.done'))
  }
  return (
    <FormModal title={t(rule ? 'edit.title' : 'create.open')} onClose={onClose} verb={t(rule ? 'edit.verb' : 'create.verb')} onSubmit={save}>
      <SelectorFields chosen={chosen} onChange={setChosen} />
      <Text size="sm" c="dimmed">{t('hint')}</Text>
    </FormModal>
  )
}
