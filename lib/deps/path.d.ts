export function basename(path: string, suffix?: string): string;
export function dirname(path: string): string;
export function isAbsolute(path: string): boolean;
export function join(...paths: string[]): string;
export function resolve(...paths: string[]): string;
