export function makeSound(options?: { seconds?: number }): { overview: Uint8Array; wav: Uint8Array };
