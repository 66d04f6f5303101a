export function levenshteinDistance(left: string, right: string): number;
