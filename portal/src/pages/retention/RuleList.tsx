import { ActionIcon, Badge, Menu } from '@mantine/core'
import { IconBan, IconCircleCheck, IconDots, IconPencil, IconTrash } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { Selector } from '~/pages/policy/Selector'
import { chosenOf } from '~/pages/policy/selectors'
import { useConfirm } from '~/parts/Confirm'
import { tellDone, tellFailure } from '~/parts/tell'
import type { Rule } from './queries'
import classes from './RuleList.module.css'
import { numberOf, templateOf } from './templates'
import { useSave, type Where } from './useSave'

interface Props extends Where {
  mayChange: boolean
  onEdit: (rule: Rule) => void
}

/** The rules of a policy, each as a sentence. */
export function RuleList({ mayChange, onEdit, ...where }: Props) {
  const { t } = useTranslation('retention')
  return (
    <ul className={classes.rules} aria-label={t('rule.title')}>
      {where.kept.rules.map((rule, i) => (
        <li key={i} className={classes.rule} data-off={rule.disabled || undefined}>
          <Sentence rule={rule} />
          {rule.disabled && <Badge color="gray">{t('rule.disabled')}</Badge>}
          {mayChange && <Actions where={where} index={i} rule={rule} onEdit={() => onEdit(rule)} />}
        </li>
      ))}
    </ul>
  )
}

function Sentence({ rule }: { rule: Rule }) {
  const { t } = useTranslation('retention')
  const { repositories, tags, untagged } = chosenOf(rule)
  const template = templateOf(rule.template)
  return (
    <div className={classes.sentence}>
      <b>{template ? t(`keeps.${template.name}`, { count: numberOf(rule) }) : rule.template}</b>
      <span className={classes.about}>
        {t('rule.repositories')}: <Selector {...repositories} /> · {t('rule.tags')}: <Selector {...tags} /> · {t(untagged ? 'rule.withUntagged' : 'rule.withoutUntagged')}
      </span>
    </div>
  )
}

function Actions({ where, index, rule, onEdit }: { where: Where; index: number; rule: Rule; onEdit: () => void }) {
  const { t } = useTranslation('retention')
  const confirm = useConfirm()
  const save = useSave(where)
  const { rules } = where.kept
  const enable = (on: boolean) => save({ rules: rules.map((r, i) => (i === index ? { ...r, disabled: !on } : r)) }).then(() => tellDone(t(on ? 'rule.enabledNow' : 'rule.disabledNow')), tellFailure)
  const remove = () =>
    confirm({
      title: t('rule.deleteTitle'), loses: t(rules.length === 1 ? 'rule.losesLast' : 'rule.loses'), verb: t('rule.deleteVerb'), done: t('rule.deleted'),
      action: () => save({ rules: rules.filter((_, i) => i !== index) }),
    })
  return (
    <Menu>
      <Menu.Target><ActionIcon size="md" aria-label={t('rule.actions', { number: index + 1 })}><IconDots size={17} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>{t('rule.edit')}</Menu.Item>
        {rule.disabled
          ? <Menu.Item leftSection={<IconCircleCheck size={16} />} onClick={() => void enable(true)}>{t('rule.enable')}</Menu.Item>
          : <Menu.Item leftSection={<IconBan size={16} />} onClick={() => void enable(false)}>{t('rule.disable')}</Menu.Item>}
        <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={remove}>{t('rule.delete')}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
