/// <reference types="node" preserve="true" />
export { clientSecurity, type ClientTlsOptions } from './client.js'
export { readClientHello, type ClientHello } from './client-hello.js'
export { developmentIdentities, type DevelopmentIdentities } from './development.js'
export type { ClientCertificate, TlsFacts } from './facts.js'
export { handshake, NotTlsError, type Handshake } from './handshake.js'
export { IdentityLoader, loadIdentities, type LoadedIdentities } from './identity.js'
export { IdentityError, type IdentityConfig, type TlsConfig } from './identity-config.js'
export { Identities, type Identity } from './sni.js'
