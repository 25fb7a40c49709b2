import { Alert, NativeSelect, NumberInput } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { SelectorFields } from '~/pages/policy/SelectorFields'
import { chosenOf, everything } from '~/pages/policy/selectors'
import { FormModal } from '~/parts/FormModal'
import { tellDone } from '~/parts/tell'
import type { Rule } from './queries'
import { numberOf, ruleOf, templateOf, templates } from './templates'
import { useSave, type Where } from './useSave'

interface Props extends Where {
  rule?: Rule // undefined: a new one
  onClose: () => void
}

/** The dialog that adds a rule about what stays, or changes one. */
export default function RuleForm({ rule, onClose, ...where }: Props) {
  const { t } = useTranslation('retention')
  const [chosen, setChosen] = useState(rule ? chosenOf(rule) : everything)
  const [template, setTemplate] = useState(templateOf(rule?.template ?? '') ?? templates[0])
  const [number, setNumber] = useState<number | string>(rule ? numberOf(rule) : templates[0].begin)
  const save = useSave(where)
  const send = async () => {
    const made = ruleOf(chosen, template, Number(number), rule)
    const { rules } = where.kept
    await save({ rules: rule ? rules.map((r) => (r === rule ? made : r)) : [...rules, made] })
    tellDone(t(rule ? 'rule.saved' : 'rule.added'))
  }
  const known = templates.filter((one) => !('old' in one) || one.name === template.name)
  return (
    <FormModal title={t(rule ? 'rule.edit' : 'rule.add')} onClose={onClose} verb={t(rule ? 'rule.save' : 'rule.addVerb')} disabled={template.unit !== undefined && (number === '' || Number(number) < 0)} onSubmit={send}>
      <SelectorFields chosen={chosen} onChange={setChosen} withUntagged />
      <NativeSelect
        label={t('form.keep')} value={template.name} data={known.map(({ name }) => ({ value: name, label: t(`template.${name}`) }))}
        onChange={(e) => {
          const next = templateOf(e.currentTarget.value) ?? templates[0]
          setTemplate(next)
          setNumber(next.begin)
        }}
      />
      {template.unit && <NumberInput label={t(`form.${template.unit}`)} min={0} max={template.unit === 'count' ? 32766 : 20190904} allowDecimal={false} value={number} onChange={setNumber} />}
      <Alert color="orange">{t('form.rest')}</Alert>
    </FormModal>
  )
}
