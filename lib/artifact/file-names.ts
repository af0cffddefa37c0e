export class FileNames {
  admit(_path: string): void {}
}
