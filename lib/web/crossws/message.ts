import { randomUUID } from 'node:crypto'
import type { Message as Received } from '../../websocket/messages.js'
import type { CrosswsPeer } from './peer.js'

/** A message as hooks of crossws get it. */
export class CrosswsMessage {
  /** Text, or bytes. */
  readonly rawData: Received
  /** Its sender. */
  readonly peer: CrosswsPeer
  #id = ''

  constructor(rawData: Received, peer: CrosswsPeer) {
    this.rawData = rawData
    this.peer = peer
  }

  get id(): string {
    return (this.#id ||= randomUUID())
  }

  get data(): Received {
    return this.rawData
  }

  text(): string {
    return this.rawData.toString()
  }

  json(): unknown {
    return JSON.parse(this.text())
  }

  uint8Array(): Uint8Array {
    return typeof this.rawData === 'string' ? Buffer.from(this.rawData) : this.rawData
  }

  arrayBuffer(): ArrayBuffer {
    const { buffer, byteOffset, length } = this.uint8Array()
    return buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer
  }

  blob(): Blob {
    return new Blob([this.uint8Array()])
  }

  toString(): string {
    return this.text()
  }
}
