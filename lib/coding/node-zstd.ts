import * as zlib from 'node:zlib'

interface Options {
  readonly params: Readonly<Record<number, number>>
  readonly chunkSize?: number
  readonly finishFlush?: number
  readonly info?: boolean
  readonly maxOutputLength?: number
}

/** The functions for Zstandard in node:zlib, as its documentation has them. */
interface Zstd {
  readonly constants: Readonly<Record<
    'ZSTD_c_compressionLevel' | 'ZSTD_c_windowLog' | 'ZSTD_c_hashLog' | 'ZSTD_c_chainLog' | 'ZSTD_d_windowLogMax' | 'ZSTD_e_flush', number
  >>
  readonly createZstdCompress: (options: Options) => ReturnType<typeof zlib.createGzip>
  readonly createZstdDecompress: (options: Options) => ReturnType<typeof zlib.createGunzip>
  readonly zstdCompress: (bytes: Buffer, options: Options, done: (error: Error | null, result: Buffer) => void) => void
  readonly zstdCompressSync: (bytes: Buffer, options: Options) => Buffer
  readonly zstdDecompressSync: (bytes: Buffer, options: Options) => unknown
}

/** Zstandard in this Node.js; null before 22.15 and 23.8, which have none. */
export const zstd: Zstd | null = hasZstd(zlib) ? zlib : null

function hasZstd(functions: object): functions is Zstd {
  return 'zstdDecompressSync' in functions
}
