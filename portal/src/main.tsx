import './app/mantine.css'
import './app/theme.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ApiError } from './api/client'
import { App } from './app/App'
import { startI18n } from './app/i18n'
import { styleNonce } from './app/nonce'

// The library that keeps the page behind a dialog from scrolling looks here.
Object.assign(globalThis, { __webpack_nonce__: styleNonce() })

const root = document.getElementById('root')
if (root) {
  await startI18n()
  // What the server refused is told on the page; only what we did wrong is for the console.
  const onCaughtError = (error: unknown) => {
    if (!(error instanceof ApiError)) console.error(error)
  }
  createRoot(root, { onCaughtError }).render(
    <StrictMode>
      <App />
    </StrictMode>,
  )
}
