import { MantineProvider } from '@mantine/core'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { BatchProvider } from '~/parts/Batch'
import { ConfirmProvider } from '~/parts/Confirm'
import { Toasts } from '~/parts/Toasts'
import { styleNonce } from './nonce'
import { queries } from './queries'
import { router } from './router'
import { theme, variables } from './theme'

export function App() {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={styleNonce}>
      <QueryClientProvider client={queries}>
        <BatchProvider>
          <ConfirmProvider>
            <RouterProvider router={router} />
          </ConfirmProvider>
        </BatchProvider>
        <Toasts />
      </QueryClientProvider>
    </MantineProvider>
  )
}
