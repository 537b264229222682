package starling.demo;

import starling.CompanionJar;

/** Says that this jar belongs to {@code starling}. */
public final class DemoJar implements CompanionJar {}
