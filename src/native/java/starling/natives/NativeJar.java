package starling.natives;

import starling.CompanionJar;

/** Says that this jar belongs to {@code starling}. */
public final class NativeJar implements CompanionJar {}
