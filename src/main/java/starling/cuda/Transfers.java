package starling.cuda;

/**
 * What has crossed between host and device.
 *
 * @param uploads calls of {@link NativeDevice#upload}
 * @param uploadedBytes their bytes
 * @param downloads calls of {@link NativeDevice#download}
 * @param downloadedBytes their bytes
 */
public record Transfers(long uploads, long uploadedBytes, long downloads, long downloadedBytes) {}
