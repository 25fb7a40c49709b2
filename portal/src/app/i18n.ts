import i18next, { type BackendModule } from 'i18next'
import { initReactI18next } from 'react-i18next'

/** The languages, each by its own name. */
export const languages = { en: 'English', zh: '中文' } as const
export type Language = keyof typeof languages

const kept = 'berth.language'
const files = import.meta.glob<{ default: Record<string, unknown> }>('../lang/*/*.json')

/** Fetches the texts of a feature when one of its pages is shown. */
const backend: BackendModule = {
  type: 'backend',
  init() {},
  read(language, namespace, done) {
    const file = files[`../lang/${language}/${namespace}.json`]
    if (!file) return done(new Error(`no texts: ${language}/${namespace}`), null)
    file().then(
      (texts) => done(null, texts.default),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), null),
    )
  },
}

/** What somebody chose, or else the first language of the browser that there is. */
function preferred(): Language {
  const wanted = [localStorage.getItem(kept) ?? '', ...navigator.languages]
  return wanted.map((tag) => tag.slice(0, 2)).find((tag): tag is Language => tag in languages) ?? 'en'
}

export async function startI18n(): Promise<void> {
  i18next.on('languageChanged', (language) => {
    document.documentElement.lang = language === 'zh' ? 'zh-Hans' : language
  })
  await i18next
    .use(backend)
    .use(initReactI18next)
    .init({
      lng: preferred(),
      fallbackLng: false,
      supportedLngs: Object.keys(languages),
      ns: ['common'],
      defaultNS: 'common',
      interpolation: { escapeValue: false }, // React escapes
      returnNull: false,
    })
}

export async function choose(language: Language): Promise<void> {
  localStorage.setItem(kept, language)
  await i18next.changeLanguage(language)
}
