import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from '@mantine/core'

/** The one accent: deep water. Shade 7 carries white text, shade 3 dark text. */
const tide: MantineColorsTuple = [
  '#eaf6f9', '#d5eaf0', '#a9d4e1', '#7cc0d4', '#4da5bf', '#2b8aa8', '#17728f', '#0e5a73', '#0b4a5f', '#08394a',
]
const gray: MantineColorsTuple = [
  '#f7f9fa', '#eff2f4', '#e3e8eb', '#d2d9de', '#b4bec5', '#8b98a1', '#66747e', '#4a5761', '#323d46', '#1c252c',
]
const dark: MantineColorsTuple = [
  '#e4eaed', '#b9c4cb', '#96a4ad', '#6c7a84', '#46535d', '#303b44', '#232d35', '#171f26', '#10171c', '#0a0f13',
]

/** What the components share; how they look is here and in theme.css. */
export const theme = createTheme({
  colors: { tide, gray, dark },
  primaryColor: 'tide',
  primaryShade: { light: 7, dark: 6 },
  autoContrast: true,
  luminanceThreshold: 0.35,
  fontFamily: "'Inter Variable', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'WenQuanYi Micro Hei', system-ui, sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Mono', 'Roboto Mono', 'DejaVu Sans Mono', Consolas, monospace",
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  defaultRadius: 'md',
  radius: { xs: '3px', sm: '5px', md: '7px', lg: '10px', xl: '16px' },
  headings: {
    fontWeight: '620',
    sizes: {
      h1: { fontSize: '1.375rem', lineHeight: '1.3' },
      h2: { fontSize: '1.0625rem', lineHeight: '1.4' },
      h3: { fontSize: '0.9375rem', lineHeight: '1.4' },
    },
  },
  cursorType: 'pointer',
  components: {
    Button: { defaultProps: { size: 'sm' } },
    ActionIcon: { defaultProps: { variant: 'subtle', color: 'gray', size: 'lg' } },
    Modal: { defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.45 }, transitionProps: { duration: 120 } } },
    // A header within a section is none of the page, but one within what is made a dialog would be.
    ModalHeader: { defaultProps: { role: 'presentation' } },
    DrawerHeader: { defaultProps: { role: 'presentation' } },
    Menu: { defaultProps: { position: 'bottom-end', shadow: 'md', transitionProps: { duration: 90 } } },
    Tooltip: { defaultProps: { openDelay: 350, withArrow: true, transitionProps: { duration: 90 } } },
    Anchor: { defaultProps: { underline: 'hover' } },
    Badge: { defaultProps: { variant: 'light', radius: 'sm', tt: 'none', fw: 550 } },
    Tabs: { defaultProps: { keepMounted: false } },
  },
})

const used = ['tide', 'gray', 'teal', 'red', 'orange', 'yellow', 'blue', 'green']

const pale = new Set(['orange', 'yellow', 'green'])

/** What badges and marks look like: a tint of their colour, with a text of it. */
const tints = (ground: string, tint: number, share: number, text: number) =>
  Object.fromEntries(
    used.flatMap((color) => [
      [`--mantine-color-${color}-light`, `color-mix(in srgb, var(--mantine-color-${color}-${tint}) ${share}%, ${ground})`],
      [`--mantine-color-${color}-light-hover`, `color-mix(in srgb, var(--mantine-color-${color}-${tint}) ${share + 8}%, ${ground})`],
      // The darkest shades of warm colours and of green are too light for a text on a tint.
      [`--mantine-color-${color}-light-color`, text === 9 && pale.has(color) ? `color-mix(in srgb, var(--mantine-color-${color}-9) 62%, black)` : `var(--mantine-color-${color}-${text})`],
    ]),
  )

/** Names for what stylesheets use, in light and in dark. Texts have 4.5:1 or more. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    ...tints('#ffffff', 5, 14, 9),
    '--mantine-color-gray-light-color': gray[7],
    '--mantine-color-teal-light-color': '#066649',
    '--mantine-color-green-light-color': '#236b32',
    '--mantine-color-orange-light-color': '#a5380b',
    '--mantine-color-yellow-light-color': '#8a4a00',
    '--mantine-color-text': gray[9],
    '--mantine-color-dimmed': '#56646e',
    '--mantine-color-placeholder': '#66747e',
    '--mantine-color-anchor': tide[7],
    '--mantine-color-error': '#b3261e',
    '--mantine-color-default-border': gray[3],
    '--berth-ground': gray[0],
    '--berth-surface': '#ffffff',
    '--berth-sunken': gray[1],
    '--berth-line': gray[2],
    '--berth-hover': '#f2f6f8',
    '--berth-accent': tide[7],
    '--berth-accent-soft': tide[0],
  },
  dark: {
    ...tints(dark[7], 4, 20, 1),
    '--mantine-color-gray-light-color': dark[1],
    '--mantine-color-text': dark[0],
    '--mantine-color-body': dark[7],
    '--mantine-color-dimmed': '#9fadb6',
    '--mantine-color-placeholder': '#8d9aa3',
    '--mantine-color-anchor': tide[3],
    '--mantine-color-error': '#ff9c94',
    '--mantine-color-default': dark[6],
    '--mantine-color-default-border': dark[5],
    '--berth-ground': dark[8],
    '--berth-surface': dark[7],
    '--berth-sunken': dark[8],
    '--berth-line': '#27323a',
    '--berth-hover': '#1d272f',
    '--berth-accent': tide[3],
    '--berth-accent-soft': '#12303b',
  },
})
