import { useTranslation } from 'react-i18next'

const types = [
  'harbor', 'docker-hub', 'docker-registry', 'huawei-SWR', 'google-gcr', 'aws-ecr', 'azure-acr', 'ali-acr', 'jfrog-artifactory', 'quay', 'gitlab', 'dtr',
  'tencent-tcr', 'github-ghcr', 'volcengine-cr',
] as const

/** What people call a type of registry; of a new one, what the API does. */
export function useTypeName() {
  const { t } = useTranslation('registries')
  return (type: string): string => {
    const known = types.find((one) => one === type)
    return known ? t(`type.${known}`) : type
  }
}
