import { Skeleton, Stack } from '@mantine/core'

/** In place of a page that is on its way. */
export function PageSkeleton() {
  return (
    <Stack gap="md" aria-hidden>
      <Skeleton h={30} w={240} />
      <Skeleton h={38} />
      <Skeleton h={220} />
    </Stack>
  )
}
