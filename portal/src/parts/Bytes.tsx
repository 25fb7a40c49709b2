import { useTranslation } from 'react-i18next'
import { bytes } from './numbers'

/** A number of bytes, in the unit that suits it. */
export function Bytes({ value }: { value: number }) {
  const { i18n } = useTranslation()
  return <span className="numbers" title={`${value.toLocaleString(i18n.language)} B`}>{bytes(value, i18n.language)}</span>
}

/** A number, with the language's separators. */
export function Count({ value }: { value: number }) {
  const { i18n } = useTranslation()
  return <span className="numbers">{value.toLocaleString(i18n.language)}</span>
}
