import { Button, NativeSelect } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { FilterField } from '~/parts/FilterField'
import { severities } from '~/parts/SeverityBar'
import type { List } from '~/parts/useList'

const texts = ['cve', 'package', 'repository', 'project', 'tag', 'digest'] as const

/** Conditions for findings, as the API has them: they are exact. */
export function FindingFilters({ list }: { list: List }) {
  const { t } = useTranslation('security')
  const { t: say } = useTranslation('parts')
  return (
    <>
      <NativeSelect
        size="sm" aria-label={t('severity')} value={list.filter('severity')} data={[{ value: '', label: t('anySeverity') }, ...severities.map((s) => ({ value: s, label: say(`severity.${s}`) }))]}
        onChange={(e) => list.set({ severity: e.currentTarget.value })}
      />
      {texts.map((name) => <FilterField key={name} list={list} name={name} label={t(`filter.${name}`)} w={name === 'repository' || name === 'cve' ? 170 : 125} />)}
      <FilterField list={list} name="least" label={t('filter.least')} type="number" min={0} max={10} step={0.1} w={110} />
      <FilterField list={list} name="most" label={t('filter.most')} type="number" min={0} max={10} step={0.1} w={110} />
      {list.narrowed && <Button size="sm" variant="subtle" onClick={list.widen}>{say('table.clear')}</Button>}
    </>
  )
}
